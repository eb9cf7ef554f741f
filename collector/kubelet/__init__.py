"""Who was given which device, as the kubelet says it: its socket, the claims on it, and what their ids mean."""

"""
The messages of the kubelet's pod-resources API, version v1, as the kubelet itself defines them.

``api.proto`` is a copy; ``make podresources`` writes the other files from it. Only ``collector.kubelet`` uses them.
"""

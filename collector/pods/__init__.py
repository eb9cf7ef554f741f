"""The pods of this node: what the Kubernetes API says of them, whose workload they are, and which tenant is claimed."""

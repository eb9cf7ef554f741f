"""
Who a tenant is: the know-your-customer file, where the party is headquartered, and the link from a workload to it.

Everything is about parties, that is legal persons. Nothing about a natural person is read, stored or scored.
"""

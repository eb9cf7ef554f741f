"""The provider's own registers: whose a workload is, who was given which machine, its entities and sites, its bills."""

"""A check on the plan: which processes are on a device, whose they are, and how its time is divided by use."""

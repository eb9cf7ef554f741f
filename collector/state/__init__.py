"""What a collector must know after a restart: the counters' state on the disk, and the custody of the devices."""

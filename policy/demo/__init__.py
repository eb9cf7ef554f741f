"""
The demo: a simulated data centre with real processes, and what the product makes of it.

Only the driver and the clock are simulated. Collectors, scrapes, ledger, judgement, tickets and API are the product's
own. The engine gets the tenants' file and the collectors' addresses, as it would anywhere; what it should find stands
in the scenario and is compared at the end.
"""

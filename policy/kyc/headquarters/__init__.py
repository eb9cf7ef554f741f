"""Where a party, its ultimate parent, and whom it acts for are headquartered: three questions, each with its way."""

"""Red flags that a tenant's file raises, and the two questions about its end use; none of them decides."""

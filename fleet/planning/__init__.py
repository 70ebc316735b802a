"""Which camera belongs to which lot and which machine carries it, kept from plan to plan."""

"""Who a hub is: the authority, the codes that make a hub its own, certificates, and their end."""

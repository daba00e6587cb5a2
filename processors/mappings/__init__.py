"""One module a provider: its webhook in, canonical objects out. Pure."""

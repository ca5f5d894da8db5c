"""The links, each the sole user of its hardware library, and loaded only where the configuration asks for it."""

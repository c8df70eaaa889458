"""What the service shows over HTTP, on a port of this machine."""

"""How messages leave: one adapter for the services that Apprise reaches."""

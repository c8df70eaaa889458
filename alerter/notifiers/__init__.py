"""Notifiers: one adapter for the services that Apprise reaches."""

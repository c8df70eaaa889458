"""Watches the mail that a Mimecast gateway is holding, and alerts the right people when something is wrong."""

__version__ = "0.1.0"

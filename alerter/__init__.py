"""Watches the mail that a Mimecast gateway is holding, and tells the right people when it is wrong."""

__version__ = "0.1.0"

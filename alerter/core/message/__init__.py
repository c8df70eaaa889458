"""Messages: what is said of alerts, and how each service shows it. No I/O: values in, values out."""

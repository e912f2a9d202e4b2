"""Server: every client's dialect over one engine."""

"""`proctoring-server doctor`."""

"""What clients can do: one file a namespace, one file a REST resource, and the boundary that they share."""

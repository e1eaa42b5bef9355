"""Documents, the named queries on them, and the activity log. Imports nothing of ours above it."""

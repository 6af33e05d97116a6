"""Pure state machines that listen to the broadcast: writer, completeness, lifecycle."""

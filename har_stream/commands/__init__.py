"""What a person starts: `har-stream`, its check, and `har-demo`."""

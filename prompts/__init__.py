"""From a Scene to chat messages, and from what a model says back to the Scene."""

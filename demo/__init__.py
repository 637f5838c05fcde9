"""The browser page over the pipeline; it holds no model code of its own."""

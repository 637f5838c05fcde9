"""The weights that ship: scene model, language model and its adapter, each with a model card."""

"""YAML label sets, one file a dataset; read by describer.taxonomy."""

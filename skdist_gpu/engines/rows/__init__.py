"""The rows of the catalogue, one module an engine. Importing them imports no engine."""

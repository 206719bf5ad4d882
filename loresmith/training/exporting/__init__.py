"""An adapter leaves the workspace: merged, as GGUF, for Ollama, or as a bundle that another one imports.

adapter -> merge -> gguf_export -> ollama;  card;  bundle -> unpack;  proof: it says what the adapter said
"""

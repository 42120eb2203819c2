"""An external scanner shut in: one run over one image on disk."""

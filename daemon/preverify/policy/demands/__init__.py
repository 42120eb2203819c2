"""What demands are about, as pieces that several rules share: builds, summaries, images, packages, scans, VEX."""

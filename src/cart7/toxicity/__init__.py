"""Parts of the safety room: emergence, tallies, dose limits, laboratory. Only `safety` opens them."""

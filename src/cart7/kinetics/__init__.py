"""Parts of the kinetics room: samples as profiles, detection by visit, long rows. Only `pk` opens them."""

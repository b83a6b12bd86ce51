# Filled in with the package and pkg-config rules.

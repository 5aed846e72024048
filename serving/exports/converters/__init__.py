"""Scripts that convert models; `isolated_script` runs them."""

"""Questions of a set put to a Describer, with controls, scored and reported."""

"""Where usage comes from: live collectors, or a recording. Every source yields the same tables."""

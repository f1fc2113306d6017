"""Who may say what a gateway runs: verification (pure), signing, publishing and fetching."""

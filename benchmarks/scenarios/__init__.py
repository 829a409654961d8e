"""One module a scenario: what is set up, what is counted, which contenders take part."""

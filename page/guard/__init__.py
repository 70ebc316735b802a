"""Who may see the page and change anything: hosts, passwords, sign-ins."""

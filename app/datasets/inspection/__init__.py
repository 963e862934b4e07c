"""The inspection of one untrusted file: what runs in the child process, under limits."""

"""A synthetic class against a running server, through its public interface only."""

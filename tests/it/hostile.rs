//! Clients that do harm without meaning to, or meaning to.

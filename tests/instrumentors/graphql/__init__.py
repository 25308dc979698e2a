"""GraphQL, by graphql-core and by what is built on it."""

CREATE TABLE roles (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    -- Those are ours: nobody changes them.
    built_in BOOLEAN NOT NULL,
    -- Raised by each change, for entity tags.
    version BIGINT NOT NULL
);
CREATE TABLE role_permissions (
    role TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (role, permission)
);
CREATE TABLE user_roles (
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
INSERT INTO roles (name, description, built_in, version) VALUES
    ('admin', 'May do everything', TRUE, 1),
    ('user', 'May do everything to what is their own', TRUE, 1);
INSERT INTO role_permissions (role, permission) VALUES ('admin', '*');
INSERT INTO user_roles (user_id, role) SELECT id, 'user' FROM accounts;

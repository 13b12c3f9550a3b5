-- +goose Up

-- What a configuration was made of beside .travis.yml, as a JSON list of {source, mode, text}.
ALTER TABLE build_configs ADD COLUMN files TEXT NOT NULL DEFAULT '[]';

-- Other private repositories of the owner may import files of this one.
ALTER TABLE repositories ADD COLUMN allow_imports BOOLEAN NOT NULL DEFAULT FALSE;

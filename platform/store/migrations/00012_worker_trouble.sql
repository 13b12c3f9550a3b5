-- +goose Up

-- Why a worker that lives takes no jobs: what runs them is away. Empty: it takes some, or it drains.
ALTER TABLE workers ADD COLUMN trouble TEXT NOT NULL DEFAULT '';

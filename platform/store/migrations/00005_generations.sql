-- +goose Up
ALTER TABLE workers ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

package store

import "database/sql"

// FirstLayout is the file as it was before pages carried checksums.
func FirstLayout() []string { return migrations[:1] }

// Change runs a statement on the file behind the store's back.
func (s *Store) Change(statement string) error {
	return s.durable(func(tx *sql.Tx) error {
		_, err := tx.Exec(statement)
		return err
	}, func() {})
}

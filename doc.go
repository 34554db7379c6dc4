// Package limen is the root of the module; it holds only layout_test.go, the house rules as tests.
package limen

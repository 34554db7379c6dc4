module github.com/limen-gateway/limen/test

go 1.26.0

module github.com/limen-gateway/limen/tools

go 1.26.0

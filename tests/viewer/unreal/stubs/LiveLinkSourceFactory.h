#pragma once

#include "CoreMinimal.h"

class ILiveLinkSource;
class SWidget;

struct FStubSourceCreated
{
	bool ExecuteIfBound(TSharedPtr<ILiveLinkSource> Source, FString ConnectionString) const;
};

class ULiveLinkSourceFactory : public UObject
{
public:
	enum class EMenuType { SubPanel, MenuEntry, Disabled };
	using FOnLiveLinkSourceCreated = FStubSourceCreated;
	virtual FText GetSourceDisplayName() const = 0;
	virtual FText GetSourceTooltip() const = 0;
	virtual EMenuType GetMenuType() const;
	virtual TSharedPtr<SWidget> BuildCreationPanel(FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const;
	virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const = 0;
};
